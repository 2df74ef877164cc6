print("restormer")
