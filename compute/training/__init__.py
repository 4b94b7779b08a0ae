"""Training by span corruption, and retraining without some of the examples."""
