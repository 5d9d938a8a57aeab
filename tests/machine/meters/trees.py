"""File trees of machines with energy sensors, as the kernel's drivers show them."""

from __future__ import annotations

HWMON = "sys/class/hwmon"
SUPPLY = "sys/class/power_supply"
IIO = "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0"


def ina3221(chip: int, *rails: tuple[str, int, int], interval_ms: int | None = None) -> dict:
    """One chip with up to three rails of (label, mV, mA), and the channel that sums shunts."""
    folder = f"{HWMON}/hwmon{chip}"
    files = {
        f"{folder}/name": "ina3221\n",
        f"{folder}/in7_label": "sum of shunt voltages\n",
        f"{folder}/in7_input": "12\n",
    }
    if interval_ms is not None:
        files[f"{folder}/update_interval"] = f"{interval_ms}\n"
    for channel, (label, millivolts, milliamperes) in enumerate(rails, 1):
        files |= {
            f"{folder}/in{channel}_label": f"{label}\n",
            f"{folder}/in{channel}_input": f"{millivolts}\n",
            f"{folder}/in{channel}_enable": "1\n",
            f"{folder}/curr{channel}_input": f"{milliamperes}\n",
        }
    return files


def orin_nano() -> dict[str, str]:
    """VDD_IN is the input of the module, 5.0 V x 1.2 A = 6 W; the others are parts of it."""
    return ina3221(4, ("VDD_IN", 5000, 1200), ("VDD_CPU_GPU_CV", 4992, 232), ("VDD_SOC", 4992, 288))


def agx_orin() -> dict[str, str]:
    """Three rails add up; VDDQ_VDD2_1V8AO is fed from the third. 19.8 x 0.4 + 19.8 x 0.1 + 10."""
    return ina3221(
        1, ("VDD_GPU_SOC", 19800, 400), ("VDD_CPU_CV", 19800, 100), ("VIN_SYS_5V0", 5000, 2000)
    ) | ina3221(2, ("NC", 0, 0), ("VDDQ_VDD2_1V8AO", 5000, 500), ("NC", 0, 0))


def nano() -> dict[str, str]:
    """The first Jetson Nano with its vendor's kernel: 5.1 V x 0.5 A."""
    files = {}
    rails = (("POM_5V_IN", 5100, 500), ("POM_5V_GPU", 5100, 40), ("POM_5V_CPU", 5100, 90))
    for channel, (label, millivolts, milliamperes) in enumerate(rails):
        files |= {
            f"{IIO}/rail_name_{channel}": f"{label}\n",
            f"{IIO}/in_voltage{channel}_input": f"{millivolts}\n",
            f"{IIO}/in_current{channel}_input": f"{milliamperes}\n",
            f"{IIO}/in_power{channel}_input": f"{millivolts * milliamperes // 1000}\n",
        }
    return files


def thor() -> dict[str, str]:
    """An INA238 of the carrier board, which multiplies by itself, beside the module's rails."""
    folder = f"{HWMON}/hwmon3"
    return {
        f"{folder}/name": "ina238\n",
        f"{folder}/label": "VIN\n",
        f"{folder}/in0_input": "3\n",
        f"{folder}/in1_input": "19000\n",
        f"{folder}/curr1_input": "2000\n",
        f"{folder}/power1_input": "38125000\n",
    } | ina3221(5, ("VDD_GPU", 19000, 500), ("VDD_CPU_SOC_MSS", 19000, 300))


def amd_server() -> dict[str, str]:
    """Two sockets, and cores that are inside them."""
    folder = f"{HWMON}/hwmon0"
    files = {f"{folder}/name": "amd_energy\n"}
    counters = (("Ecore000", 1_000), ("Esocket0", 5_000_000), ("Esocket1", 7_000_000))
    for number, (label, microjoules) in enumerate(counters, 1):
        files[f"{folder}/energy{number}_label"] = f"{label}\n"
        files[f"{folder}/energy{number}_input"] = f"{microjoules}\n"
    return files


def grace_hopper() -> dict[str, str]:
    """Four ACPI meters of one module; the files lie beside the hwmon folder."""
    files = {}
    meters = ("Module", 600_000_000), ("Grace", 120_000_000), ("CPU", 70_000_000)
    for number, (what, microwatts) in enumerate((*meters, ("SysIO", 20_000_000))):
        folder = f"{HWMON}/hwmon{number}/device"
        files |= {
            f"{folder}/name": "power_meter\n",
            f"{folder}/power1_oem_info": f"{what} Power Socket 0\n",
            f"{folder}/power1_average": f"{microwatts}\n",
            f"{folder}/power1_average_interval": "50\n",
        }
    return files


def corsair() -> dict[str, str]:
    folder = f"{HWMON}/hwmon2"
    return {
        f"{folder}/name": "corsairpsu\n",
        f"{folder}/power1_label": "power total\n",
        f"{folder}/power1_input": "182000000\n",
        f"{folder}/power2_label": "power +12v\n",
        f"{folder}/power2_input": "150000000\n",
    }


def battery(name: str = "BAT0", status: str = "Discharging", **files: int | str) -> dict[str, str]:
    """A battery with the given files beside its type and status."""
    folder = f"{SUPPLY}/{name}"
    return {f"{folder}/type": "Battery\n", f"{folder}/status": f"{status}\n"} | {
        f"{folder}/{file}": f"{value}\n" for file, value in files.items()
    }


def charger(online: int, kind: str = "Mains", name: str = "AC") -> dict[str, str]:
    folder = f"{SUPPLY}/{name}"
    return {f"{folder}/type": f"{kind}\n", f"{folder}/online": f"{online}\n"}


def laptop() -> dict[str, str]:
    """12 W from a battery that tells its power, unplugged, with a wireless mouse."""
    return (
        battery(power_now=12_000_000, voltage_now=11_800_000, energy_now=40_000_000)
        | charger(0)
        | battery("hidpp_battery_0", scope="Device", capacity=60)
    )


def phone() -> dict[str, str]:
    """3.9 V x 0.41 A, given as negative, with its fuel gauge listed too."""
    files = {"current_now": -410_000, "voltage_now": 3_900_000}
    gauge = battery("maxfg", **files)
    return battery("battery", **files) | gauge | charger(0, "USB", "usb")
