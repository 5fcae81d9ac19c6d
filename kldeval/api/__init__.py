"""What Python users call: evaluations and questions, and documents that know how to be looked at and used."""
