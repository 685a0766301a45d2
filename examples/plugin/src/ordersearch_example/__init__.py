"""A plugin for ordersearch: one activation, one network, one data set."""
