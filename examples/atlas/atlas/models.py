from django.db import models
from django.urls import reverse


class Continent(models.Model):
    code = models.CharField(max_length=2, primary_key=True)
    name = models.CharField(max_length=40)
    population = models.BigIntegerField()

    class Meta:
        ordering = ["name"]

    def __str__(self):
        return self.name

    def get_absolute_url(self):
        return reverse("continent", args=[self.code])


class Country(models.Model):
    code = models.CharField(max_length=2, primary_key=True)
    name = models.CharField(max_length=80)
    capital = models.CharField(max_length=80, blank=True)
    continent = models.ForeignKey(Continent, models.CASCADE, related_name="countries")
    area = models.FloatField(help_text="square kilometres")
    population = models.BigIntegerField()
    currency = models.CharField(max_length=40, blank=True)
    languages = models.CharField(max_length=200, blank=True)
    neighbours = models.ManyToManyField("self", symmetrical=False)

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "countries"

    def __str__(self):
        return self.name

    def get_absolute_url(self):
        return reverse("country", args=[self.code])


class Region(models.Model):
    country = models.ForeignKey(Country, models.CASCADE, related_name="regions")
    code = models.CharField(max_length=20)
    name = models.CharField(max_length=80)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["country", "code"], name="region_code")]

    def __str__(self):
        return self.name


class City(models.Model):
    name = models.CharField(max_length=200, db_index=True)
    country = models.ForeignKey(Country, models.CASCADE, related_name="cities")
    region = models.ForeignKey(Region, models.CASCADE, null=True, related_name="cities")
    population = models.IntegerField()
    latitude = models.FloatField()
    longitude = models.FloatField()
    time_zone = models.CharField(max_length=40)
    other_names = models.JSONField(default=list)

    class Meta:
        ordering = ["-population", "id"]
        verbose_name_plural = "cities"
        indexes = [
            models.Index(fields=["country", "-population", "id"], name="city_of_country"),
            models.Index(fields=["latitude", "longitude"], name="city_place"),
        ]

    def __str__(self):
        return self.name

    def get_absolute_url(self):
        return reverse("city", args=[self.pk])
