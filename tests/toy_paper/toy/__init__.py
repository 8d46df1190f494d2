"""A paper for tests: does taking the refusal direction out of the largest writing weights lower refusal?"""
