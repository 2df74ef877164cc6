// restormer: every OpenCL kernel of the project.
