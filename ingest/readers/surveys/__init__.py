"""Reading surveys: shares of people by country, variable and response code."""

from mlv.ingest.readers.surveys.files import ReadSurvey as ReadSurvey
from mlv.ingest.readers.surveys.reading import read_survey as read_survey
