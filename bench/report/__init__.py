"""Shows the analysis as text, tables, figures and a page. No torch."""
