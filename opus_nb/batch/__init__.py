"""The engine: rows in, outcomes out. Knows no pandas and no widget."""
