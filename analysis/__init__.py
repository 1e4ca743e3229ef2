"""Numbers, charts, workbook and page from a `Dataset`. Writes no file, opens no channel."""
