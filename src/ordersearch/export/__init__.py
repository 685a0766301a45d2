"""Blocks as files that outlive the search."""

from ordersearch.export.blocks_file import BlocksFile, RankedBlocks, read_blocks, write_blocks

__all__ = ["BlocksFile", "RankedBlocks", "read_blocks", "write_blocks"]
