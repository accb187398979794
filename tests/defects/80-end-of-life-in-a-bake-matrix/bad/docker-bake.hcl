variable "SYSTEM" { default = "ubuntu22.04" }
group "default" { targets = ["service"] }

target "service" {
  name = "service-${replace(cuda, ".", "-")}"
  matrix = { cuda = ["12.8.1", "12.1.0"] }
  args = {
    CUDA = cuda
    SYSTEM = SYSTEM
  }
}
