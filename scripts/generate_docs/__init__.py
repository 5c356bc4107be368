"""Documents made from what dbt and the extract contracts say about their columns."""
