"""The views: the stable face of the store, for the query catalogue and for people who explore by hand.

Released queries read views alone, so base tables may change while a released query stays as it is.
"""

from mlv.schema.views.classification import CLASSIFICATION
from mlv.schema.views.corpora import CORPORA
from mlv.schema.views.influence import INFLUENCE
from mlv.schema.views.masks import MASKS
from mlv.schema.views.probing import PROBING
from mlv.schema.views.responding import RESPONDING
from mlv.schema.views.runs import RUNS
from mlv.schema.views.stereotypes import STEREOTYPES
from mlv.schema.views.surveys import SURVEYS
from mlv.schema.views.validation import VALIDATION

VIEWS = (
    *RUNS,
    *CORPORA,
    *SURVEYS,
    *PROBING,
    *CLASSIFICATION,
    *RESPONDING,
    *INFLUENCE,
    *VALIDATION,
    *MASKS,
    *STEREOTYPES,
)
"""In order of dependence: a view reads only tables and views before it."""
