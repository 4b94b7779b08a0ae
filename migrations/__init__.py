"""Making, upgrading, checking and copying stores."""

from mlv.migrations.copying import backup as backup
from mlv.migrations.copying import snapshot as snapshot
from mlv.migrations.inspecting import Revision as Revision
from mlv.migrations.inspecting import current as current
from mlv.migrations.inspecting import differences as differences
from mlv.migrations.inspecting import history as history
from mlv.migrations.upgrading import Upgrade as Upgrade
from mlv.migrations.upgrading import upgrade as upgrade
from mlv.migrations.upgrading import whole_or_absent as whole_or_absent
