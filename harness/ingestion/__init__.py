"""What Mixpanel's door lets in: `/track`, `/import` and their answers."""
