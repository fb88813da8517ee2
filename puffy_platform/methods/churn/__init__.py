"""Churn: who will not come back. Labels, learners, measures, drift, and the rule by which a model comes into force.

One module each; the tables churn_training, churn_models and churn_scores are made with them.
"""
