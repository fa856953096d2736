"""What tests stand on: databases, a whole cloud in this process, waiting with deadlines."""
