"""Stands for the service."""
