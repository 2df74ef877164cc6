// The Restormer module.
