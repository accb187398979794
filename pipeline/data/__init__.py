"""Facts that travel with the package: tools.lock and what other stages look up."""
