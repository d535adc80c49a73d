"""Analysis as text, tables, figures and a page. No torch."""
