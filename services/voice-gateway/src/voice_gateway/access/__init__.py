"""Who calls: keys, signed tokens and what each of their holders may do."""
