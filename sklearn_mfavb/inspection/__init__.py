"""Looking at clusters: Displays in scikit-learn's style, drawn by matplotlib."""

from sklearn_mfavb.inspection._augmented_views import ViewsDisplay
from sklearn_mfavb.inspection._confusion import MatchedConfusionDisplay
from sklearn_mfavb.inspection._copies import find_exact_copies, find_near_duplicates
from sklearn_mfavb.inspection._embedding_map import (
    EmbeddingMapDisplay,
    cluster_color,
    label_points,
    project_embedding,
)
from sklearn_mfavb.inspection._findings import Findings, gather_findings
from sklearn_mfavb.inspection._gallery import (
    ClusterGalleryDisplay,
    ClusterMembers,
    rank_members,
)
from sklearn_mfavb.inspection._pictures import read_thumbnails
from sklearn_mfavb.inspection._training_curves import (
    TrainingCurvesDisplay,
    read_curves,
    read_stages,
)

__all__ = [
    "ClusterGalleryDisplay",
    "ClusterMembers",
    "EmbeddingMapDisplay",
    "Findings",
    "MatchedConfusionDisplay",
    "TrainingCurvesDisplay",
    "ViewsDisplay",
    "cluster_color",
    "find_exact_copies",
    "find_near_duplicates",
    "gather_findings",
    "label_points",
    "project_embedding",
    "rank_members",
    "read_curves",
    "read_stages",
    "read_thumbnails",
]
