// SPDX-License-Identifier: MIT
pragma solidity ^0.8.4;

/// @title The address book of one Infernet deployment, fixed for good.
/// @dev Deployed first: the other contracts read it in their constructors, so their addresses are computed in advance.
contract Registry {
    /// @notice The `EIP712Coordinator`.
    address public immutable COORDINATOR;
    /// @notice The `Inbox`.
    address public immutable INBOX;
    /// @notice The `Reader`.
    address public immutable READER;
    /// @notice The `Fee`.
    address public immutable FEE;
    /// @notice The `WalletFactory`.
    address public immutable WALLET_FACTORY;

    /// @dev Warning: nothing is checked here; read all five getters back after the deployment.
    constructor(address coordinator, address inbox, address reader, address fee, address walletFactory) {
        COORDINATOR = coordinator;
        INBOX = inbox;
        READER = reader;
        FEE = fee;
        WALLET_FACTORY = walletFactory;
    }
}
