"""Statistics of test results: how sure a figure is, whether two models differ, how much more data would tell."""
