package v1alpha1

// Hook is an HTTP receiver and when it is called. Its answer is yes (200 to
// 299), no (any other), or none.
//
// +kubebuilder:validation:XValidation:rule="!has(self.failures) || self.when in ['preRollout', 'rollout']",fieldPath=".failures",message="is of tests: leave it out, or write when: preRollout or rollout"
// +kubebuilder:validation:XValidation:rule="!has(self.every) || !(self.when in ['postRollout', 'event'])",fieldPath=".every",message="is of hooks that are asked: leave it out"
// +kubebuilder:validation:XValidation:rule="!has(self.failOpen) || !(self.when in ['postRollout', 'event'])",fieldPath=".failOpen",message="is of hooks that are asked: leave it out, nothing waits for one that is told"
type Hook struct {
	// Name is unique; that of the kind unless said otherwise.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9A-Z]([-a-z0-9A-Z]*[a-z0-9A-Z])?$`
	Name string `json:"name,omitempty"`
	// When says when it is called. confirmRollout, preRollout,
	// confirmTrafficIncrease and confirmPromotion must say yes before the
	// rollout goes on; rollout is a test that is run over and over; rollback is
	// asked over and over, and yes takes the candidate back; postRollout and
	// event are told.
	// +kubebuilder:validation:Enum=confirmRollout;preRollout;confirmTrafficIncrease;rollout;rollback;confirmPromotion;postRollout;event
	When string `json:"when"`
	// URL is called with POST. The operator may limit which are allowed.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^https?://[^\s/?#@]+([/?][^\s#]*)?$`
	URL string `json:"url"`
	// Timeout of one attempt; 5s unless said otherwise.
	// +kubebuilder:validation:XValidation:rule="self.matches('[1-9]')",message="is no time: write one above 0"
	Timeout *Duration `json:"timeout,omitempty"`
	// Retries when there is no answer; 2 unless said otherwise.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10
	Retries *int32 `json:"retries,omitempty"`
	// FailOpen lets the rollout go on, with a warning, while there is no answer.
	// By default it is held, but by a rollback hook, which fails open.
	FailOpen *bool `json:"failOpen,omitempty"`
	// Every is the time between two questions; 15s unless said otherwise.
	// +kubebuilder:validation:XValidation:rule="self.matches('[1-9]')",message="is no time: write one above 0"
	Every *Duration `json:"every,omitempty"`
	// Failures is how many noes in a row of a test (preRollout, rollout) take
	// the candidate back; 3 unless said otherwise.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	Failures int32 `json:"failures,omitempty"`
	// Headers are sent along.
	// +kubebuilder:validation:MaxProperties=16
	Headers map[string]Text `json:"headers,omitempty"`
	// Metadata is sent along in the body.
	// +kubebuilder:validation:MaxProperties=32
	Metadata map[string]Text `json:"metadata,omitempty"`
	// SecretFrom is what requests are signed with.
	SecretFrom *SecretFrom `json:"secretFrom,omitempty"`
}

// Text is a text of bounded length.
// +kubebuilder:validation:MaxLength=4096
type Text string

// SecretFrom says where a secret is: on one machine in exactly one of env and
// file, on a cluster under a key of a Secret in the rollout's namespace.
//
// +kubebuilder:validation:XValidation:rule="!has(self.env) && !has(self.file)",message="env and file are of one machine: on a cluster write name and key of a Secret"
// +kubebuilder:validation:XValidation:rule="has(self.name) && has(self.key)",message="needs name and key of a Secret"
type SecretFrom struct {
	// Env is a variable of haldane's environment.
	Env string `json:"env,omitempty"`
	// File holds the secret; the white space around it is none of it.
	File string `json:"file,omitempty"`
	// Name of a Secret.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
	// Key in the Secret.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key,omitempty"`
}

// Notification is a channel and the events that it is told of: exactly one of
// slack, teams, discord, googleChat, pagerDuty, email and webhook.
//
// +kubebuilder:validation:XValidation:rule="[has(self.slack), has(self.teams), has(self.discord), has(self.googleChat), has(self.pagerDuty), has(self.email), has(self.webhook)].exists_one(x, x)",message="needs exactly one of slack, teams, discord, googleChat, pagerDuty, email, webhook"
type Notification struct {
	// Name is unique and lasting; that of the kind unless said otherwise.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9A-Z]([-a-z0-9A-Z]*[a-z0-9A-Z])?$`
	Name string `json:"name,omitempty"`
	// Slack by an incoming webhook.
	Slack *Chat `json:"slack,omitempty"`
	// Teams by a workflow's webhook.
	Teams *Chat `json:"teams,omitempty"`
	// Discord by a channel's webhook.
	Discord *Chat `json:"discord,omitempty"`
	// GoogleChat by a space's webhook.
	GoogleChat *Chat `json:"googleChat,omitempty"`
	// PagerDuty by Events API v2.
	PagerDuty *PagerDuty `json:"pagerDuty,omitempty"`
	// Email by SMTP.
	Email *Email `json:"email,omitempty"`
	// Webhook gets the event as JSON.
	Webhook *WebhookChannel `json:"webhook,omitempty"`
	// When says of which events: Promoted, Completed, RolledBack, Paused, Deadline and
	// Invalid unless said otherwise.
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:Enum=Started;Ready;Step;Paused;Resumed;Held;Invalid;Warned;Closed;Promoting;Promoted;Completed;RollingBack;RolledBack;Deadline;Command;Retry
	// +listType=set
	When []string `json:"when,omitempty"`
	// Template of the text, as Go's text/template reads it, with .Rollout,
	// .Namespace, .Kind, .Message, .Revision, .Stable, .Attempt, .Step, .Steps,
	// .Weight, .Phase, .By, .At and .Link.
	// +kubebuilder:validation:MaxLength=4096
	Template string `json:"template,omitempty"`
}

// Chat is a webhook whose address is a secret.
type Chat struct {
	// URLFrom is where the webhook's address is.
	URLFrom SecretFrom `json:"urlFrom"`
}

// PagerDuty is a service that incidents are opened at; a promotion closes them.
type PagerDuty struct {
	// KeyFrom is where the integration key is.
	KeyFrom SecretFrom `json:"keyFrom"`
	// Severity of incidents; error unless said otherwise.
	// +kubebuilder:validation:Enum=critical;error;warning;info
	Severity string `json:"severity,omitempty"`
	// URL of the service; https://events.pagerduty.com/v2/enqueue unless said
	// otherwise.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^https?://[^\s/?#@]+([/?][^\s#]*)?$`
	URL string `json:"url,omitempty"`
}

// Email is a mail server and who gets mail.
type Email struct {
	// Host of the SMTP server.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Host string `json:"host"`
	// Port; 587 unless said otherwise.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`
	// Encryption is StartTLS (default), TLS from the first byte, or None.
	// +kubebuilder:validation:Enum=StartTLS;TLS;None
	Encryption string `json:"encryption,omitempty"`
	// From is the sender's address.
	// +kubebuilder:validation:MaxLength=254
	// +kubebuilder:validation:Pattern=`^[^\s@<>,]+@[^\s@<>,]+$`
	From string `json:"from"`
	// To are the addresses of who gets it.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=254
	// +kubebuilder:validation:items:Pattern=`^[^\s@<>,]+@[^\s@<>,]+$`
	// +listType=set
	To []string `json:"to"`
	// Username at the server, with passwordFrom.
	// +kubebuilder:validation:MaxLength=254
	Username string `json:"username,omitempty"`
	// PasswordFrom is where the password is.
	PasswordFrom *SecretFrom `json:"passwordFrom,omitempty"`
}

// WebhookChannel is exactly one of url and urlFrom.
//
// +kubebuilder:validation:XValidation:rule="has(self.url) != has(self.urlFrom)",message="needs exactly one of url, urlFrom"
type WebhookChannel struct {
	// URL is called with POST.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^https?://[^\s/?#@]+([/?][^\s#]*)?$`
	URL string `json:"url,omitempty"`
	// URLFrom is where the address is, if it is a secret.
	URLFrom *SecretFrom `json:"urlFrom,omitempty"`
	// Headers are sent along.
	// +kubebuilder:validation:MaxProperties=16
	Headers map[string]Text `json:"headers,omitempty"`
	// SecretFrom is what requests are signed with.
	SecretFrom *SecretFrom `json:"secretFrom,omitempty"`
}
