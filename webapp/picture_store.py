"""Pictures that open pages show, in memory: nothing is written to disk, and a closed page leaves nothing."""

from __future__ import annotations

import secrets


class PictureStore:
    """PNG files by page and number; an address cannot be guessed."""

    def __init__(self):
        self._pages: dict[str, dict[str, bytes]] = {}

    def open_page(self) -> str:
        """Return the key of a new page."""
        key = secrets.token_urlsafe(16)
        self._pages[key] = {}
        return key

    def put(self, page: str, name: str, content: bytes) -> str:
        """Keep a picture in the place of the one of that name; return its path on the server."""
        pictures = self._pages.setdefault(page, {})
        pictures[name] = content
        # The number makes browsers ask again when a picture has changed.
        return f"/pictures/{page}/{name}.png?{secrets.token_hex(4)}"

    def get(self, page: str, name: str) -> bytes | None:
        """Return a picture, or None where there is none (any more)."""
        return self._pages.get(page, {}).get(name)

    def drop(self, page: str, names: list[str]) -> None:
        """Forget some pictures of a page."""
        for name in names:
            self._pages.get(page, {}).pop(name, None)

    def close_page(self, page: str) -> None:
        """Forget all pictures of a page."""
        self._pages.pop(page, None)
