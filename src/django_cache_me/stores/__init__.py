"""Where entries and versions live. Each store keeps the same promises behind the same small protocol."""
