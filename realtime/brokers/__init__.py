"""The bus between hub nodes: the contract (`base`) and its drivers."""
