"""Template tags: formats of numbers (display), panels and tables (ui), charts (charts)."""
