// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IModelRegistry} from "../../../src/interfaces/IModelRegistry.sol";
import {IStakeVault} from "../../../src/interfaces/IStakeVault.sol";
import {ModelId} from "../../../src/types/ModelId.sol";
import {Terms} from "../../../src/types/Usage.sol";
import {FlockTest} from "../../utils/FlockTest.sol";

/// @title What is written to the log when stake or a listing changes: whoever follows the chain sees nothing else.
contract EventsTest is FlockTest {
    address internal operator = actor("operator");
    address internal delegator = actor("delegator");

    function setUp() public override {
        super.setUp();
        _equip(operator);
        _equip(delegator);
        _equip(host);
    }

    function test_deposit_tellsTheWholeStake() public {
        vm.startPrank(operator);
        vault.deposit(60);

        vm.expectEmit(address(vault));
        emit IStakeVault.StakeChanged(operator, 100);
        vault.deposit(40);
    }

    function test_withdrawal_tellsWhatIsLeftWhatIsQueuedAndWhereItGoes() public {
        vm.startPrank(operator);
        vault.deposit(100);
        uint256 availableAt = block.timestamp + 1 days;

        vm.expectEmit(address(vault));
        emit IStakeVault.StakeChanged(operator, 70);
        vm.expectEmit(address(vault));
        emit IStakeVault.WithdrawalRequested(operator, operator, 30, availableAt);
        vault.requestWithdrawal(30);

        vm.warp(availableAt);
        vm.expectEmit(address(vault));
        emit IStakeVault.Withdrawn(operator, operator, delegator, 30);
        vault.withdraw(operator, delegator);
    }

    function test_delegation_tellsThatOfTheDelegatorAndOfAll() public {
        vm.expectEmit(address(vault));
        emit IStakeVault.SigmaSet(operator, 250_000);
        vm.prank(operator);
        vault.setSigma(250_000);
        vm.prank(host);
        vault.delegate(operator, 5);
        vm.startPrank(delegator);

        vm.expectEmit(address(vault));
        emit IStakeVault.DelegationChanged(delegator, operator, 40, 45);
        vault.delegate(operator, 40);

        uint256 availableAt = block.timestamp + 1 days;
        vm.expectEmit(address(vault));
        emit IStakeVault.DelegationChanged(delegator, operator, 30, 35);
        vm.expectEmit(address(vault));
        emit IStakeVault.WithdrawalRequested(delegator, operator, 10, availableAt);
        vault.undelegate(operator, 10);
    }

    function test_sigma_tellsWhatIsAnnouncedAndWhatIsSet() public {
        vm.startPrank(operator);
        vault.setSigma(250_000);
        uint256 availableAt = block.timestamp + 1 days;

        vm.expectEmit(address(vault));
        emit IStakeVault.SigmaAnnounced(operator, 300_000, availableAt);
        vault.setSigma(300_000);

        vm.warp(availableAt);
        vm.expectEmit(address(vault));
        emit IStakeVault.SigmaSet(operator, 300_000);
        vault.applySigma(operator);
    }

    function test_register_tellsAllThatIsListed() public {
        IModelRegistry.Listing memory listed = listing("another", terms());
        uint256 snapshot = vm.snapshotState();
        vm.prank(host);
        ModelId id = models.register(listed);
        vm.revertToState(snapshot);

        vm.expectEmit(address(models));
        emit IModelRegistry.ModelRegistered(id, host, listed.artifactId, listed.consumer);
        vm.expectEmit(address(models));
        emit IModelRegistry.TermsUpdated(id, listed.terms);
        vm.expectEmit(address(models));
        emit IModelRegistry.MetadataUpdated(id, listed.metadataUri, listed.metadataHash);
        vm.prank(host);
        models.register(listed);
    }

    function test_updates_tellWhatIsNew() public {
        Terms memory changed = terms();
        changed.requestPrice += 1;
        address[] memory nodes = two(node, secondNode);
        vm.startPrank(host);

        vm.expectEmit(address(models));
        emit IModelRegistry.TermsUpdated(modelId, changed);
        models.updateTerms(modelId, changed);
        vm.expectEmit(address(models));
        emit IModelRegistry.MetadataUpdated(modelId, "ipfs://new", keccak256("new"));
        models.updateMetadata(modelId, "ipfs://new", keccak256("new"));
        vm.expectEmit(address(models));
        emit IModelRegistry.ContainersUpdated(modelId, "one,two", keccak256(abi.encode("one,two")));
        models.updateContainers(modelId, "one,two");
        vm.expectEmit(address(models));
        emit IModelRegistry.NodesUpdated(modelId, nodes);
        models.updateNodes(modelId, nodes);
        vm.expectEmit(address(models));
        emit IModelRegistry.ConsumerUpdated(modelId, address(meter));
        models.updateConsumer(modelId, address(meter));
    }

    function test_status_tellsEachChange() public {
        vm.startPrank(host);

        vm.expectEmit(address(models));
        emit IModelRegistry.StatusChanged(modelId, IModelRegistry.Status.Paused);
        models.pause(modelId);
        vm.expectEmit(address(models));
        emit IModelRegistry.StatusChanged(modelId, IModelRegistry.Status.Active);
        models.resume(modelId);
        vm.expectEmit(address(models));
        emit IModelRegistry.StatusChanged(modelId, IModelRegistry.Status.Retired);
        models.retire(modelId);
    }

    function _equip(address account) private {
        stakeToken.mint(account, 100);
        vm.prank(account);
        stakeToken.approve(address(vault), type(uint256).max);
    }
}
