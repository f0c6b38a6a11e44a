"""What every answer passes through: the protocol with its timers, the envelope, errors, parameters, event streams."""
