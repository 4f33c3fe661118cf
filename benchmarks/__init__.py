"""Measurements that choose defaults and hold ends; none of them is a test."""
