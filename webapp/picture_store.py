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
        """Keep a picture in the place of the one of that name; return its path on the server.

        Nothing is kept for a page that was closed meanwhile.
        """
        if page in self._pages:
            self._pages[page][name] = content
        # The number makes browsers ask again when a picture has changed.
        return f"/pictures/{page}/{name}.png?{secrets.token_hex(4)}"

    def get(self, page: str, name: str) -> bytes | None:
        """Return a picture, or None where there is none (any more)."""
        return self._pages.get(page, {}).get(name)

    def close_page(self, page: str) -> None:
        """Forget all pictures of a page."""
        self._pages.pop(page, None)
