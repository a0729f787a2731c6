"""The paper's experiments, and their tables, figures and pages."""
