"""Blocks in the terms of other libraries, and back; each module knows one library and imports none of it."""
