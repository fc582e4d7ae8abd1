from math import asin, cos, radians, sin, sqrt

from django.core.paginator import Paginator
from django.shortcuts import get_object_or_404, redirect, render

from .forms import CityForm
from .models import City, Continent, Country

PAGE = 50
EARTH = 6371  # kilometres


def continents(request):
    return render(request, "atlas/continents.html", {"continents": Continent.objects.all()})


def continent(request, code):
    place = get_object_or_404(Continent, code=code)
    return render(request, "atlas/continent.html", {"continent": place, "countries": place.countries.all()})


def country(request, code):
    place = get_object_or_404(Country.objects.select_related("continent"), code=code)
    cities = place.cities.select_related("region").order_by("-population", "id")
    page = Paginator(cities, PAGE).get_page(request.GET.get("page"))
    return render(
        request, "atlas/country.html", {"country": place, "page": page, "neighbours": place.neighbours.all()}
    )


def city(request, pk):
    place = get_object_or_404(City.objects.select_related("region", "country__continent"), pk=pk)
    return render(request, "atlas/city.html", {"city": place})


def search(request):
    words = request.GET.get("q", "").strip()[:60]
    found = []
    if words:
        found = (
            City.objects.filter(name__startswith=words)
            .select_related("country")
            .order_by("-population", "id")
        )
        found = found[:PAGE]
    return render(request, "atlas/search.html", {"words": words, "cities": found})


def neighbours(request, pk):
    """The nearest other cities: a box by the index, then real distances."""
    place = get_object_or_404(City.objects.select_related("country"), pk=pk)
    reach = 0.3
    box = City.objects.filter(
        latitude__range=(place.latitude - reach, place.latitude + reach),
        longitude__range=(place.longitude - reach, place.longitude + reach),
    ).exclude(pk=place.pk)
    near = sorted(((distance(place, other), other) for other in box), key=lambda pair: (pair[0], pair[1].pk))
    return render(request, "atlas/neighbours.html", {"city": place, "near": near[:20]})


def edit_city(request, pk):
    place = get_object_or_404(City, pk=pk)
    form = CityForm(request.POST or None, instance=place)
    if request.method == "POST" and form.is_valid():
        form.save()
        return redirect(place)
    return render(request, "atlas/edit_city.html", {"city": place, "form": form})


def distance(one, other):
    """Kilometres between two cities, by the haversine formula."""
    phi, psi = radians(one.latitude), radians(other.latitude)
    across = radians(other.longitude - one.longitude)
    chord = sin((psi - phi) / 2) ** 2 + cos(phi) * cos(psi) * sin(across / 2) ** 2
    return 2 * EARTH * asin(sqrt(min(1.0, chord)))
