from django.contrib.staticfiles.views import serve
from django.urls import path, re_path

from . import views

urlpatterns = [
    path("", views.continents, name="continents"),
    path("continent/<str:code>/", views.continent, name="continent"),
    path("country/<str:code>/", views.country, name="country"),
    path("city/<int:pk>/", views.city, name="city"),
    path("city/<int:pk>/neighbours/", views.neighbours, name="neighbours"),
    path("city/<int:pk>/edit/", views.edit_city, name="edit_city"),
    path("search/", views.search, name="search"),
    # An example serves its one style sheet itself.
    re_path(r"^static/(?P<path>.*)$", serve, {"insecure": True}),
]
