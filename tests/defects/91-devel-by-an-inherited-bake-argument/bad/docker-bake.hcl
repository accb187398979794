target "_common" {
  args = { FLAVOUR = "devel" }
}

target "service" {
  inherits = ["_common"]
  dockerfile = "service.Dockerfile"
}
