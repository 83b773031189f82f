"""The pages people look at: plain files that open from disk, without a server, a network or a framework."""
