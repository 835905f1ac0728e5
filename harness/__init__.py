"""A test bench for identity in product analytics: who becomes whom in Mixpanel, before anything is sent."""

__version__ = "0.1.0"
