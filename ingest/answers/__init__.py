"""Reading what a chat model answered to a survey question with given options, by parsers that have versions."""
