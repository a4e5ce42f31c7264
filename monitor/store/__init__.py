"""What is kept: the only package that speaks SQL. SQLite and PostgreSQL run the same code and tests."""
