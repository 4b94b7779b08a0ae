"""Training by span corruption, and training again without some of the examples."""
