"""Commands that measure, print a table and write JSON. Nothing here is imported by the product."""
