"""Writers of the books: each one locks, checks, books and announces in one transaction."""
