"""How figures are drawn and written: forms that any query can have; they know no query and no study."""
