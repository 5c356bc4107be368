"""A small digital twin of the operator: extracts, the dialer, and the truth kept apart."""
