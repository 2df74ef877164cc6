// The CLBackend module.
