"""From decoded pairs of maps to their numbers: settings compiled to a plan, one evaluator, and the views it uses."""
