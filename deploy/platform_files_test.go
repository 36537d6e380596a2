package deploy_test

// The parts of each platform's file that ours use. They are read strictly, so that
// a misspelt key fails here, and is not passed over there.
type (
	renderVar struct {
		Key       string `json:"key,omitempty"`
		Value     string `json:"value,omitempty"`
		Sync      *bool  `json:"sync,omitempty"`
		FromGroup string `json:"fromGroup,omitempty"`

		FromDatabase *struct {
			Name     string `json:"name"`
			Property string `json:"property"`
		} `json:"fromDatabase,omitempty"`
		FromService *struct {
			Type     string `json:"type"`
			Name     string `json:"name"`
			Property string `json:"property"`
		} `json:"fromService,omitempty"`
	}
	renderService struct {
		Type                    string      `json:"type"`
		Name                    string      `json:"name"`
		Runtime                 string      `json:"runtime,omitempty"`
		DockerfilePath          string      `json:"dockerfilePath,omitempty"`
		DockerContext           string      `json:"dockerContext,omitempty"`
		DockerCommand           string      `json:"dockerCommand,omitempty"`
		PreDeployCommand        string      `json:"preDeployCommand,omitempty"`
		Plan                    string      `json:"plan"`
		NumInstances            int         `json:"numInstances,omitempty"`
		HealthCheckPath         string      `json:"healthCheckPath,omitempty"`
		MaxShutdownDelaySeconds int         `json:"maxShutdownDelaySeconds,omitempty"`
		MaxmemoryPolicy         string      `json:"maxmemoryPolicy,omitempty"`
		IPAllowList             []string    `json:"ipAllowList,omitempty"`
		EnvVars                 []renderVar `json:"envVars,omitempty"`
	}
	renderFile struct {
		Services  []renderService `json:"services"`
		Databases []struct {
			Name                 string   `json:"name"`
			DatabaseName         string   `json:"databaseName"`
			User                 string   `json:"user"`
			Plan                 string   `json:"plan"`
			PostgresMajorVersion string   `json:"postgresMajorVersion"`
			IPAllowList          []string `json:"ipAllowList"`
		} `json:"databases"`
		EnvVarGroups []struct {
			Name    string      `json:"name"`
			EnvVars []renderVar `json:"envVars"`
		} `json:"envVarGroups"`
	}

	flyCheck struct {
		Method, Path, Interval, Timeout string
		GracePeriod                     string `toml:"grace_period"`
	}
	flyService struct {
		Processes          []string
		InternalPort       int    `toml:"internal_port"`
		ForceHTTPS         bool   `toml:"force_https"`
		AutoStopMachines   string `toml:"auto_stop_machines"`
		MinMachinesRunning int    `toml:"min_machines_running"`
		Protocol           string
		Ports              []struct {
			Port     int
			Handlers []string
		}
		Checks     []flyCheck
		HTTPChecks []flyCheck `toml:"http_checks"`
	}
	flyFile struct {
		App           string
		PrimaryRegion string `toml:"primary_region"`
		KillSignal    string `toml:"kill_signal"`
		KillTimeout   string `toml:"kill_timeout"`
		Build         struct{ Dockerfile string }
		Deploy        struct {
			ReleaseCommand string `toml:"release_command"`
			Strategy       string
		}
		Processes   map[string]string
		Env         map[string]string
		HTTPService flyService `toml:"http_service"`
		Services    []flyService
		Metrics     struct {
			Port      int
			Path      string
			Processes []string
		}
		VM []struct {
			Processes    []string
			Size, Memory string
		}
	}

	railwayFile struct {
		Schema string `json:"$schema"`
		Build  struct {
			Builder        string `json:"builder"`
			DockerfilePath string `json:"dockerfilePath"`
		} `json:"build"`
		Deploy struct {
			PreDeployCommand   []string `json:"preDeployCommand"`
			StartCommand       string   `json:"startCommand"`
			HealthcheckPath    string   `json:"healthcheckPath"`
			HealthcheckTimeout int      `json:"healthcheckTimeout"`
			NumReplicas        int      `json:"numReplicas"`
			RestartPolicyType  string   `json:"restartPolicyType"`
			OverlapSeconds     int      `json:"overlapSeconds"`
			DrainingSeconds    int      `json:"drainingSeconds"`
		} `json:"deploy"`
	}

	herokuFile struct {
		Name        string              `json:"name"`
		Description string              `json:"description"`
		Repository  string              `json:"repository"`
		Stack       string              `json:"stack"`
		Buildpacks  []map[string]string `json:"buildpacks"`
		Env         map[string]struct {
			Description string `json:"description"`
			Value       string `json:"value"`
		} `json:"env"`
		Addons    []struct{ Plan string } `json:"addons"`
		Formation map[string]struct {
			Quantity int    `json:"quantity"`
			Size     string `json:"size"`
		} `json:"formation"`
	}
)
