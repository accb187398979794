target "_common" {
  args = { FLAVOUR = "base" }
}

target "service" {
  inherits = ["_common"]
  dockerfile = "service.Dockerfile"
}
