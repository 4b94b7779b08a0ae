"""What runs a query and holds its result: knows no study, no figure and no page."""
