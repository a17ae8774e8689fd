"""The store on PostgreSQL: statements, schema and connections."""
